"""Real servers for the tests: started here, killed here, gone when the tests end.

`finding` says which servers there are, `processes`, `clusters` and `sentinels` start them,
`proxies` stands between them and a client, `stations` keeps those that many tests use, and
`fixtures` hands them to tests. Nothing here goes through a client of Redis that cachu uses.
"""
