"""Context of audit events: what no log line holds and rules need, joined to events before the rules run.

Change tickets, the network behind an address, whether that network is new for who called, the indicators. How events
are read is `detections.audit`; what a rule makes of the context is its own.
"""
