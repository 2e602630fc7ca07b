"""One hook call: `snapshot`, `plan`, `run`, `finish`, in that order.

May not know a topic's inside. `run` is the beginning, a function for each kind of hook; `call` looks and decides,
`delegate` runs the wrapped backend. For others: `plan` and `plan_text`, `snapshot`, `source_lock` (a tree's notes).
"""
