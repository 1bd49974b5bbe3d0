"""Files in and out: CSV, JSON lines, JSON and Parquet.

In: `reading` gives the rows of a file, one module a format; `forms` says what they are: whose
export, and with `columns` which of them is what the user said; `importing` keeps them.
Out: `exporting` reads what is stored, and `writing` makes a file of it, one module a format.
"""
