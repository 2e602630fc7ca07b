"""Which environment the wheel is for: processes, front ends, rules.

May not look into it. For others: `processes` (this one and its ancestors), `command_line`, `front_end` (who calls),
`rules` (`find_consumer`), `environment` (where an environment's distributions are), `uv` (where its projects begin).
"""
