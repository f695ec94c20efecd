"""Who reaches what: the nearest places and all places within a limit, as the crow flies and on foot.

`circles` measures straight lines, `network` the way along streets. Both take and give arrays of numbers; neither knows
what a facility or a circle of living is.
"""
