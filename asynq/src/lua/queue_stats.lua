-- Numbers of one queue; only reads.
-- KEYS: 1 pending, 2 active, 3 scheduled, 4 retry, 5 archived, 6 completed, 7 processed in all, 8 failed in all, 9 paused,
--       10 set of group names
-- ARGV: 1 prefix of task hashes, 2 prefix of groups
-- Returns the six sizes, both totals, whether paused, pending_since of the oldest pending task ('' without one), and how
-- many tasks wait in groups.
local oldest = redis.call('LINDEX', KEYS[1], -1)
local since = oldest and redis.call('HGET', ARGV[1] .. oldest, 'pending_since') or ''
local grouped = 0
for _, group in ipairs(redis.call('SMEMBERS', KEYS[10])) do
  grouped = grouped + redis.call('ZCARD', ARGV[2] .. group)
end
return {
  redis.call('LLEN', KEYS[1]), redis.call('LLEN', KEYS[2]), redis.call('ZCARD', KEYS[3]),
  redis.call('ZCARD', KEYS[4]), redis.call('ZCARD', KEYS[5]), redis.call('ZCARD', KEYS[6]),
  tonumber(redis.call('GET', KEYS[7]) or 0), tonumber(redis.call('GET', KEYS[8]) or 0),
  redis.call('EXISTS', KEYS[9]), since or '', grouped,
}
