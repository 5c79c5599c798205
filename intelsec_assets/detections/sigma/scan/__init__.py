"""Many Sigma rules over audit events in one scan: what is compiled, how events are routed to rules, findings of it.

`scanning.scan` is the way in. Reading rules is `sigma.rules`, reading events is `audit`, what becomes of findings is
`alerts`.
"""
