-- Tasks whose hash is there and which are in no list or set, so that nobody will ever see them.
-- KEYS: 1 pending, 2 active, 3 scheduled, 4 retry, 5 archived, 6 completed, 7 aggregation sets
-- ARGV: 1 prefix of task hashes, 2 prefix of groups, 3 how: 'quick' does not look through lists, 'sure' does, 'delete' also
-- deletes what it finds, 4 ... ids
-- Returns {ids in no list or set}, {ids that only lists can tell about}.
local sets = {scheduled = KEYS[3], retry = KEYS[4], archived = KEYS[5], completed = KEYS[6]}
local function is_grouped(hash, id)
  local group = redis.call('HGET', hash, 'group')
  if group and redis.call('ZSCORE', ARGV[2] .. group, id) then
    return true
  end
  for _, set in ipairs(redis.call('ZRANGE', KEYS[7], 0, -1)) do
    if redis.call('ZSCORE', set, id) then
      return true
    end
  end
  return false
end
local unlisted, unknown = {}, {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local hash = ARGV[1] .. id
  local state = redis.pcall('HGET', hash, 'state')
  if type(state) ~= 'table' and redis.call('EXISTS', hash) == 1 then
    local set = sets[state]
    local is_listed
    if set then
      is_listed = redis.call('ZSCORE', set, id)
    elseif state == 'aggregating' then
      is_listed = is_grouped(hash, id)
    elseif ARGV[3] == 'quick' then
      unknown[#unknown + 1] = id
      is_listed = true
    else
      is_listed = redis.call('LPOS', KEYS[1], id) or redis.call('LPOS', KEYS[2], id)
    end
    if not is_listed then
      unlisted[#unlisted + 1] = id
      if ARGV[3] == 'delete' then
        redis.call('DEL', hash)
      end
    end
  end
end
return {unlisted, unknown}
