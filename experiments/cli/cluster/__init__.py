"""One run in shards: submitted, waited for, submitted again where they died, merged."""
