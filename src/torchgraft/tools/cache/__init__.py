"""`torchgraft cache`: what is kept for later builds, and how it is removed.

May not make anything in the cache folder. Others use `cache_folder`.
"""
