"""Which torch, and how it reaches the build.

May not read the front end's words. Others use the `plan_` modules in the order of a plan: `plan_torch` (the rungs),
`plan_way`, `plan_requirements`, `plan_problems`; and what carries them out: `graft`, `late_install`,
`without_torch`.
"""
