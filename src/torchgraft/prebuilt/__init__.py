"""Wheels that are built already, and whether they fit.

May not compile. Others use `plan_prebuilt` (which are tried) and `take` (fetches one that fits); `download` is for
whatever else is fetched.
"""
