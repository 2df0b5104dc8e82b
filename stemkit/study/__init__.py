"""Where models fail: graded mixes of open material, what models make of them, and the report."""
