"""The values that travel between rooms: what was observed, and what was decided.

May not import a room, or ask anything of the interpreter that runs it. Every type is frozen and round-trips through
JSON. Anybody may use all of it: `observation` with `source_tree` and `hardware_values`, `decision`,
`torch_values`.
"""
