-- Numbers of one queue; only reads.
-- KEYS: 1 pending, 2 active, 3 scheduled, 4 retry, 5 archived, 6 completed, 7 processed in all, 8 failed in all, 9 paused
-- ARGV: 1 prefix of task hashes
-- Returns the six sizes, both totals, whether paused, and pending_since of the oldest pending task ('' without one).
local oldest = redis.call('LINDEX', KEYS[1], -1)
local since = oldest and redis.call('HGET', ARGV[1] .. oldest, 'pending_since') or ''
return {
  redis.call('LLEN', KEYS[1]), redis.call('LLEN', KEYS[2]), redis.call('ZCARD', KEYS[3]),
  redis.call('ZCARD', KEYS[4]), redis.call('ZCARD', KEYS[5]), redis.call('ZCARD', KEYS[6]),
  tonumber(redis.call('GET', KEYS[7]) or 0), tonumber(redis.call('GET', KEYS[8]) or 0),
  redis.call('EXISTS', KEYS[9]), since or '',
}
