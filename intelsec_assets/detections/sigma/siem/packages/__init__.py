"""Deploy packages a SIEM imports: rules in its own form, look-ups exported from the lake, how to put them in.

What a rule becomes is `compiling`; here is only the form of each SIEM. A package is a mapping of paths to texts.
"""
