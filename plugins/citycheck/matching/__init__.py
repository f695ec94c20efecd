"""Facilities that arrive from several sources: which rows mean the same thing, with the score and the reason.

`match.match` compares rows of different sources by name, distance and kind; `decisions.read_decisions` reads what people
have decided, which overrides every rule; `review.review_lines` shows the result side by side. `rules.MatchRules` is what
a profile may set; it alone is imported with the profile, so nothing is imported here.
"""
