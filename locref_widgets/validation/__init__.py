"""How far two half-maps can be trusted: every FSC curve, sharpening, local resolution, and files.

`measure` does the work on maps, `write_results` puts it into a folder, `describe` into words.
"""
