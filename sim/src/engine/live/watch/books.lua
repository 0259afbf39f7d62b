-- What one queue comes to at one moment; only reads.
-- KEYS: 1 pending, 2 active, 3 scheduled, 4 retry, 5 archived, 6 processed in all, 7 failed in all, 8 lease, 9 paused
-- Returns the sizes of the first five, both totals, how many leases there are, the latest end of one, and whether paused.
local latest = redis.call('ZRANGE', KEYS[8], -1, -1, 'WITHSCORES')[2]
return {
  redis.call('LLEN', KEYS[1]), redis.call('LLEN', KEYS[2]), redis.call('ZCARD', KEYS[3]),
  redis.call('ZCARD', KEYS[4]), redis.call('ZCARD', KEYS[5]),
  tonumber(redis.call('GET', KEYS[6]) or 0), tonumber(redis.call('GET', KEYS[7]) or 0),
  redis.call('ZCARD', KEYS[8]), tonumber(latest or 0), redis.call('EXISTS', KEYS[9]),
}
