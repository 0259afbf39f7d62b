-- A page of the tasks of one list or sorted set; only reads. A hash that cannot be read does not fail the others.
-- KEYS: 1 list or zset of task ids, 2 lease zset
-- ARGV: 1 LRANGE or ZRANGE, 2 first rank, 3 last rank, 4 prefix of task hashes
-- Returns {id, score ('' in a list), lease or nil, Redis' reason or nil, msg or nil, state or nil, result or nil} per id;
-- with a reason, the type of the key is in the place of msg.
local scored = ARGV[1] == 'ZRANGE'
local ids = scored and redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3], 'WITHSCORES')
  or redis.call('LRANGE', KEYS[1], ARGV[2], ARGV[3])
local rows = {}
for i = 1, #ids, scored and 2 or 1 do
  local id = ids[i]
  local lease = redis.pcall('ZSCORE', KEYS[2], id)
  if type(lease) == 'table' then
    lease = false
  end
  local fields = redis.pcall('HMGET', ARGV[4] .. id, 'msg', 'state', 'result')
  if fields.err then
    rows[#rows + 1] = {id, scored and ids[i + 1] or '', lease, fields.err, redis.call('TYPE', ARGV[4] .. id).ok, false, false}
  else
    rows[#rows + 1] = {id, scored and ids[i + 1] or '', lease, false, fields[1], fields[2], fields[3]}
  end
end
return rows
