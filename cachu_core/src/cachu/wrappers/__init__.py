"""What stands in the place of a decorated function.

`parameters` reads what a function takes, `templates` writes a wrapper for parameters of that shape,
`compiled` makes it the function's own. A hit never leaves the compiled wrapper. Everything else
goes to a call path: `memory` for tables of objects, `stored` for backends, `passing` where nothing
is kept.
"""
