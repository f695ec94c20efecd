"""The embedded synthetic city: six counties with real names, everything else drawn from a seed.

`generate(out, half_year)` writes one half-year's delivery the way source systems would send it, with
Chinese headers, two encodings and planted defects. The same seed and half-year give the same bytes.

What the model assumes:

- *Places.* Each county town is a honeycomb of cells of about 0.5 km² around the county seat, its corners
  shifted, its borders shared; a street is a sector of the town. Two outlying towns of Kaihua lie some
  kilometres away. Distances are flat around each seat (the error is below 1 m within a unit).
- *Streets.* Blocks of about 120 m over each town; one street in eight is missing, more between units. A river
  with few bridges crosses each town, and roads join the towns. The way on foot is a third longer than
  the straight line (median; one in ten is 1.8 times as long). One building stands away from every street.
- *People.* 60 to 120 buildings and 4,000 to 9,000 residents a unit, in 6 to 11 estates. A unit grows or
  shrinks by up to 0.4 % a half-year; the share aged 60 and more rises by 0.25 percentage points a
  half-year; newly built areas are younger.
- *Facilities.* A fixed register of candidates. Each has its half-years of opening, closing, renovation
  and enlargement, so a half-year can be computed alone and a facility keeps its place. Counties differ in
  how much they provide and when.
- *Sites.* Vacant rooms and land come on the departments' list and leave it after some years; one in five has no
  known cost. They have a random stream of their own and follow nothing that is lacking.
- *Survey.* Satisfaction follows what is really within reach of the unit's estates, a slow wave of the
  county, the respondent's age and chance. A need is more important where less is provided, and to those
  concerned.
- *Repair reports.* Poisson volumes by residents, weekday and hour; log-normal delays whose medians differ
  by county and half-year; reports at night wait for the morning. Each month's file is that month's
  export: a report that changes after the export comes again, as a later version, in the next file.
- *Time.* 2021H1 to 2030H2. County waves are drawn once for the whole range.

No person exists behind a name or a number in these files: names read 合成受访者00001, numbers 000-0000-0001.
"""

from citycheck.sample.generate import generate

__all__ = ["generate"]
