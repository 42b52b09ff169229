"""The sums of a run on disk: kept while it measures, taken up again, added up where it was cut into shards."""
