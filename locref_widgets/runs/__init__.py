"""A job as a thing on disk and in a process.

`folder` is the run folder, `run` the handle that notebooks and the command line use, `job` what
writes, `worker` the process of its own. Whoever looks on only reads, and asks through `control`.
"""
