-- One task; only reads.
-- KEYS: 1 task hash, 2 scheduled zset, 3 retry zset, 4 lease zset
-- ARGV: 1 task id
-- Returns nil without a hash, else {score ('' if it has none), lease or nil, msg or nil, state or nil, result or nil}.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
local fields = redis.call('HMGET', KEYS[1], 'msg', 'state', 'result')
local score = false
if fields[2] == 'scheduled' then
  score = redis.call('ZSCORE', KEYS[2], ARGV[1])
elseif fields[2] == 'retry' then
  score = redis.call('ZSCORE', KEYS[3], ARGV[1])
end
local lease = redis.pcall('ZSCORE', KEYS[4], ARGV[1])
if type(lease) == 'table' then
  lease = false
end
return {score or '', lease, fields[1], fields[2], fields[3]}
