"""What a finished wheel is given: archive, record, metadata, run paths, guard.

May not judge whether it links. Others use `plan_finishing` (what is decided), `contents` and `record` (what is read of
a wheel, and written down about it), `metadata`, `run_paths`, `guard`, `archive` and `reproducible` (what changes it).
`guarding` is the module that is put into guarded wheels, and has the commands that cure them.
"""
