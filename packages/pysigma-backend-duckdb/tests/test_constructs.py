"""Every construct that SigmaHQ's rules are written with, by one example each: what matches and what is a near miss."""

import json

import pytest
import sigma_reference as reference
from sigma_engines import duckdb_matches, parsed, rule

EVENT = {"f": "x", "event": None}
# name: (detection or (detections, condition), events that match, events that do not)
CONSTRUCTS = {
    "a value ignores case, of any script": ({"f": "Éclair"}, ["éCLAIR", "ÉCLAIR"], ["eclair", "éclairs", "", None]),
    "a list is any of its values": ({"f": ["one", "Two"]}, ["ONE", "two"], ["three", "one two"]),
    "a long list is any of its values": (
        {"f": [f"v{i}.x" for i in range(30)]},
        ["V7.x", "v29.X"],
        ["v30.x", "v7yx", "v7.x\n", None],
    ),
    "an integer of any size in quotes is a text": (
        {"f": ["117364985726349857263", "9007199254740993"]},
        ["117364985726349857263", "9007199254740993"],
        ["117364985726349857264", "9007199254740992", "1.1736498572634985e+20"],
    ),
    "a large integer that a float holds is compared exactly": (
        {"f": 2**60},
        ["1152921504606846976", "1152921504606846976.0"],
        ["1152921504606846977"],
    ),
    "|cased minds case": ({"f|cased": "Abc"}, ["Abc"], ["abc", "ABC", None]),
    "|cased takes wildcards": ({"f|cased": "A*c?"}, ["Abbcd", "Acx"], ["abbcd", "Abc"]),
    "* is any text, with line ends, ? is one character": (
        {"f": "a*c?"},
        ["abcd", "a\nc☃", "ACx"],
        ["abc", "acxy", None],
    ),
    "an escaped wildcard is itself": ({"f": r"a\*b\?"}, ["A*b?"], ["axbx", r"a\*b\?"]),
    "% and _ are no wildcards": ({"f": "a%b_*"}, ["a%b_", "A%B_c"], ["axb_", "a%bx"]),
    "% and _ are no wildcards between wildcards": ({"f": "a_b*c%d"}, ["A_bxxC%d"], ["axbxxc%d", "a_bxxcxd"]),
    "a backslash is itself": ({"f": r"C:\Win\*"}, [r"c:\win*"], [r"c:\windows", "c:win*"]),
    "a backslash before a wildcard is written twice": ({"f": r"C:\Win\\*"}, ["c:\\win\\", r"c:\win\x"], [r"c:\winx"]),
    "quotes are text": ({"f": 'it\'s "x"'}, ['IT\'S "X"'], ["its x"]),
    "a statement is text": ({"f": "x'); DROP TABLE events; --"}, ["X'); drop table events; --"], ["x"]),
    "|contains": ({"f|contains": "B'%"}, ["ab'%c", "b'%"], ["b'", None]),
    "|contains with many values": (
        {"f|contains": ["a.b", "c*d", "e?f", "(g)", "h|i"]},
        ["xA.Bx", "c--d", "xe.f", "(G)", "h|I"],
        ["axb", "ef", "g", "hi", None],
    ),
    "|startswith": ({"f|startswith": "Ab_"}, ["aB_c", "ab_"], ["abxc", "xab_"]),
    "|startswith with many values": (
        {"f|startswith": ["a+", "b.", "c$", "d^", "[e]"]},
        ["A+x", "b.", "c$", "d^^", "[E]f"],
        ["aa", "bx", "xa+"],
    ),
    "|endswith": ({"f|endswith": "%Z"}, ["x%z", "%Z"], ["xz", "%zx"]),
    "|endswith with many values": ({"f|endswith": ["a", "b", "c", "d", ".e"]}, ["xA", "b", ".E"], ["e", "a\n", None]),
    "|contains|all": ({"f|contains|all": ["a", "b"]}, ["xbxa"], ["a", "b", None]),
    "|neq is true where the field is missing": ({"f|neq": "a"}, ["b", None], ["A"]),
    "a number is its text": ({"f": 5}, ["5", "5.0"], ["05", "5.1", "", None]),
    "a broken number is its text": ({"f": 1.5}, ["1.5"], ["1.50", "1"]),
    "true and false are texts of any case": ({"f": True}, ["true", "True"], ["1", "yes", None]),
    "no value is nothing there": ({"f": None}, [None], ["", "null"]),
    "a list may hold nothing": ({"f": [None, "", "-"]}, [None, "", "-"], ["x"]),
    "an empty text is a text": ({"f": ""}, [""], [None, " "]),
    "* alone is anything there": ({"f": "*"}, ["", "x"], [None]),
    "|exists": ({"f|exists": True}, ["", "x"], [None]),
    "|exists: false": ({"f|exists": False}, [None], [""]),
    "|gt compares numbers": ({"f|gt": 9}, ["10", "9.5", "1e3"], ["9", "8", "ten", "", "inf", "nan", None]),
    "|gte": ({"f|gte": -1.5}, ["-1.5", "0"], ["-2", None]),
    "|lt": ({"f|lt": 10}, ["9", "-100"], ["10", "1e1", "x", None]),
    "|lte": ({"f|lte": 10}, ["10", "10.0"], ["10.01", None]),
    "|re finds anywhere and minds case": ({"f|re": "b+'c"}, ["abb'c"], ["aB'c", None]),
    "|re|i": ({"f|re|i": "^ab"}, ["ABc"], ["xab"]),
    "|re|m": ({"f|re|m": "^b$"}, ["a\nb\nc"], ["ab"]),
    "|re|s": ({"f|re|s": "a.b"}, ["a\nb"], ["ab"]),
    "|re without s stops at a line end": ({"f|re": "a.b"}, ["axb"], ["a\nb"]),
    "|cidr of IPv4": (
        {"f|cidr": "172.16.0.0/12"},
        ["172.16.0.0", "172.31.255.255", "::ffff:172.20.1.1"],
        ["172.15.255.255", "172.32.0.0", "172.16.0", "172.16.0.0.1", "172.016.0.1", "172.16.evil.example", "", None],
    ),
    "|cidr of IPv6": (
        {"f|cidr": "2001:db8:8000::/33"},
        ["2001:db8:8000::", "2001:0DB8:FFFF::1", "2001:db8:8000::1.2.3.4", "2001:db8:8000::%eth0"],
        ["2001:db8:7fff::", "2001:db8:8000:::", "2001:db8:8000", "10.0.0.1", None],
    ),
    "|cidr of every IPv6 address": (
        {"f|cidr": "::/0"},
        ["::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::1.2.3.4"],
        ["1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", ":::", "12345::", "10.0.0.1", "x:y"],
    ),
    "|cidr of both in a list": (
        {"f|cidr": ["10.0.0.0/8", "::1/128"]},
        ["10.0.0.1", "::1", "0:0:0:0:0:0:0:1"],
        ["::2", "11.0.0.1"],
    ),
    "|base64": ({"f|base64": "abc"}, ["YWJj"], ["abc"]),
    "|base64offset|contains": ({"f|base64offset|contains": "foobar"}, ["Zm9vYmFy", "xmb29iYXx"], ["foobar"]),
    "|wide|base64offset|contains": ({"f|wide|base64offset|contains": "ping"}, ["cABpAG4AZw"], ["cGluZw"]),
    "|utf16be|contains": ({"f|utf16be|contains": "a'b"}, ["\0a\0'\0b"], ["a'b"]),
    "|windash": ({"f|windash|contains": " -p"}, ["x -p", "x /p", "x \u2013p"], ["x p"]),
    "keywords are anywhere in the values": (
        {"selection": ["Secret", "x y"]},
        [{"event": '{"a": ["b", {"c": "the SECRET"}]}'}, {"event": '"x Y"'}],
        [{"event": '{"secret": "b", "x": "y"}'}, {"event": None}],
    ),
    "keywords may all be wanted": (
        {"selection": {"|all": ["a1", "b2"]}},
        [{"event": '{"x": "A1", "y": ["b2"]}'}],
        [{"event": '{"x": "a1"}'}],
    ),
    "keywords have wildcards and escapes of JSON": (
        {"selection": [r'p"a*th\\end', "é"]},
        [{"event": json.dumps({"x": 'xp"abcTH\\end'})}, {"event": '{"x": "\\u00c9"}'}],
        [{"event": json.dumps({"x": "path"})}],
    ),
    "keywords are found however JSON spells them": (
        {"selection": ["abc"]},
        [{"event": '{"x": "\\u0041bc"}'}],
        [{"event": "{}"}],
    ),
    "keywords may be expressions": (
        {"selection": {"|re": "^a.c$"}},
        [{"event": '{"x": "abc"}'}],
        [{"event": '{"x": "abcd"}'}],
    ),
    "keywords search text that is no JSON": (
        {"selection": ["fail"]},
        [{"event": "login FAILED {"}],
        [{"event": "login {"}],
    ),
    "keywords read numbers, booleans and texts like keys as they stand": (
        {"selection": ["1e5", "TRUE", 'k":']},
        [{"event": '{"x": [1e5]}'}, {"event": '{"x" : true}'}, {"event": json.dumps(['k":'])}],
        [{"event": '{"1e5": null, "true" :2, "k": "k"}'}, {"event": "null"}],
    ),
    "numbers are keywords": ({"selection": [4625]}, [{"event": '{"id": 4625}'}], [{"event": '{"id": 46}'}]),
    "|fieldref": (
        {"f|fieldref": "g"},
        [{"f": "Ab", "g": "aB"}, {"f": "", "g": ""}],
        [{"f": "a", "g": "b"}, {"f": None, "g": None}, {"f": "a", "g": None}],
    ),
    "|fieldref|startswith": (
        {"f|fieldref|startswith": "g"},
        [{"f": "a%b", "g": "A%"}],
        [{"f": "axb", "g": "a%"}, {"f": None, "g": ""}],
    ),
    "|fieldref|endswith": ({"f|fieldref|endswith": "g"}, [{"f": "user/Bob", "g": "bob"}], [{"f": "bobby", "g": "bob"}]),
    "|fieldref|contains": ({"f|fieldref|contains": "g"}, [{"f": "xAy", "g": "a"}], [{"f": "a", "g": "xa"}]),
    "|hour in UTC": (
        {"f|hour": 3},
        ["2024-01-01T03:59:59Z", "2024-01-01T05:00:00+02:00", "2024-01-01 03:00:00"],
        ["2024-01-01T03:00:00+02:00", "3", None],
    ),
    "|minute": ({"f|minute": 30}, ["2024-01-01T03:30:59Z"], ["2024-01-01T03:31:00Z"]),
    "|day": ({"f|day": 1}, ["2024-01-31T23:00:00-05:00"], ["2024-01-31T23:00:00Z"]),
    "|week is that of ISO 8601": ({"f|week": 1}, ["2024-12-30T00:00:00Z"], ["2024-12-29T00:00:00Z"]),
    "|month": ({"f|month": 2}, ["2024-02-29T00:00:00Z"], ["2024-03-01T00:00:00Z"]),
    "|year": ({"f|year": 2024}, ["2024-12-31T23:59:59Z"], ["2025-01-01T00:00:00Z"]),
    "fields with any name": ({"a.b \"c'|contains": "x"}, [{"a.b \"c'": "X"}], [{"a.b \"c'": "y"}]),
    "a map is all of its items": (
        {"f": "a", "g": "b"},
        [{"f": "A", "g": "b"}],
        [{"f": "a", "g": None}, {"f": "a", "g": "c"}],
    ),
    "a list of maps is any of them": (
        {"selection": [{"f": "a"}, {"g": "b"}]},
        [{"f": "a"}, {"g": "b"}],
        [{"f": "b", "g": "a"}],
    ),
    "not of a missing field is true": (
        ({"s": {"f": "a"}, "filter": {"g": "b"}}, "s and not filter"),
        [{"f": "a"}, {"f": "a", "g": "x"}],
        [{"f": "a", "g": "b"}, {}],
    ),
    "not of not": (
        ({"s": {"f": "a"}, "filter": {"g": "b"}}, "not (s and not filter)"),
        [{}, {"f": "a", "g": "b"}, {"g": "b"}],
        [{"f": "a"}],
    ),
    "1 of": (
        ({"s_1": {"f": "a"}, "s_2": {"g": "b"}, "x": {"f": "z"}}, "1 of s_*"),
        [{"f": "a"}, {"g": "b"}],
        [{"f": "z"}, {}],
    ),
    "all of": (({"s_1": {"f": "a"}, "s_2": {"g": "b"}}, "all of s_*"), [{"f": "a", "g": "b"}], [{"f": "a"}, {}]),
    "all of them": (({"s": {"f": "a"}, "t": {"g": "b"}}, "all of them"), [{"f": "a", "g": "b"}], [{"g": "b"}]),
    "1 of them": (({"s": {"f": "a"}, "t": {"g": "b"}}, "1 of them"), [{"g": "b"}], [{}]),
    "not 1 of": (
        ({"s": {"f": "a"}, "filter_1": {"g": "b"}, "filter_2": {"g": None}}, "s and not 1 of filter_*"),
        [{"f": "a", "g": "c"}],
        [{"f": "a"}, {"f": "a", "g": "b"}],
    ),
}


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_construct(name):
    detection, hits, misses = CONSTRUCTS[name]
    detections, condition = (
        detection
        if isinstance(detection, tuple)
        else (detection if "selection" in detection else {"selection": detection}, "selection")
    )
    written = rule(detections, condition)
    events = [{"event": None, **(value if isinstance(value, dict) else {"f": value})} for value in [*hits, *misses]]
    expected = [True] * len(hits) + [False] * len(misses)
    assert duckdb_matches([written], events)[0] == expected
    understood = parsed(written).rules[0]
    assert [reference.rule_matches(understood, event) for event in events] == expected
