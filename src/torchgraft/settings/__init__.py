"""What was asked for, and by whom.

May not know what comes of it. For others: `sources` (read them), `config` (their values), `kinds` (texts with facts),
and where a project has any: `tables` (rules and prebuilt wheels), `vocabulary` (words of well-known packages).
"""
