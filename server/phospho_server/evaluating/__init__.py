"""Scores detectors against labels: what `phospho evaluate` computes.

`suites` reads labels, `judged` asks detectors, `clicks` plays a person who reviews, `measures` and
`intervals` turn verdicts into figures, `comparing` sets two runs side by side, `report` puts it all
into one value and `showing` prints it. Nothing here needs numpy.
"""
