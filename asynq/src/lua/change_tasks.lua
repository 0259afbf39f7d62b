-- Runs, archives or deletes tasks of one list or sorted set, all or some, and tells which.
-- KEYS: 1 list or zset of task ids, 2 pending list, 3 archived zset
-- ARGV: 1 run, archive or delete, 2 LRANGE or ZRANGE, 3 prefix of task hashes, 4 now in Unix seconds, 5 oldest age kept in
--       Unix seconds, 6 size limit of the archive, 7 whether uniqueness locks are released (1 or 0), 8 only what is there
--       since this Unix second ('' for any), 9 whether only the ids that follow are meant (1 or 0)
-- Returns their ids. To each happens what happens to it when its whole state is run, archived or deleted.
local listed = ARGV[2] == 'LRANGE'
local only
if ARGV[9] == '1' then
  only = {}
  for i = 10, #ARGV do
    only[ARGV[i]] = true
  end
end
local function is_old(id)
  local since
  if listed then
    local ns = redis.call('HGET', ARGV[3] .. id, 'pending_since')
    since = ns and math.floor(tonumber(ns) / 1e9)
  else
    since = tonumber(redis.call('ZSCORE', KEYS[1], id))
  end
  return since and since <= tonumber(ARGV[8])
end
local chosen, kept = {}, {}
for _, id in ipairs(redis.call(ARGV[2], KEYS[1], 0, -1)) do
  if (not only or only[id]) and (ARGV[8] == '' or is_old(id)) then
    chosen[#chosen + 1] = id
  else
    kept[#kept + 1] = id
  end
end
if #chosen == 0 then
  return chosen
end
for _, id in ipairs(chosen) do
  local hash = ARGV[3] .. id
  if ARGV[1] == 'run' then
    redis.call('LPUSH', KEYS[2], id)
    redis.call('HSET', hash, 'state', 'pending')
  elseif ARGV[1] == 'archive' then
    redis.call('ZADD', KEYS[3], ARGV[4], id)
    redis.call('HSET', hash, 'state', 'archived')
  else
    if ARGV[7] == '1' then
      local lock = redis.call('HGET', hash, 'unique_key')
      if lock and lock ~= '' and redis.call('GET', lock) == id then
        redis.call('DEL', lock)
      end
    end
    redis.call('DEL', hash)
  end
end
if ARGV[1] == 'archive' then
  -- Quirk: what is trimmed leaves its hash behind, for ever, and with it its id taken. A worker's archive deletes it.
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[5])
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -ARGV[6])
end
if listed then
  redis.call('DEL', KEYS[1])
  for _, id in ipairs(kept) do
    redis.call('RPUSH', KEYS[1], id)
  end
else
  for _, id in ipairs(chosen) do
    redis.call('ZREM', KEYS[1], id)
  end
end
return chosen
