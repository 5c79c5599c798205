"""What came of the rules: quality by people's verdicts, proposals from it, what a changed rule would have done.

How alerts live is `detections.alerts`; rules are loaded and run by `detections.sigma`. Nothing here changes a rule.
"""
