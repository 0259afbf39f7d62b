-- A shard of a load says how far it is, and hears how far the others are.
-- KEYS[1]: the claim of the database
-- ARGV[1]: which load it is, ARGV[2]: of how many shards, ARGV[3]: which of them, from 0, ARGV[4]: who it is
-- ARGV[5]: here, ready or over, ARGV[6]: microseconds from when the last one is ready to the start
-- Answers what came of it, how many are as far, when the load starts in microseconds, and Redis' time.
local time = redis.call("TIME")
local held = redis.call("HMGET", KEYS[1], "begun", "load", "shards")
if not held[1] or (not held[2] and ARGV[3] ~= "0") then
  return {"closed", 0, "", time[1], time[2]}
end
if not held[2] then
  redis.call("HSET", KEYS[1], "load", ARGV[1], "shards", ARGV[2])
elseif held[2] ~= ARGV[1] or held[3] ~= ARGV[2] then
  return {"other", 0, "", time[1], time[2]}
end
local own = ARGV[5] .. ":" .. ARGV[3]
local known = redis.call("HGET", KEYS[1], own)
if known and known ~= ARGV[4] then
  return {"twice", 0, "", time[1], time[2]}
end
if not known then
  redis.call("HSET", KEYS[1], own, ARGV[4])
  redis.call("HINCRBY", KEYS[1], ARGV[5], 1)
end
local count = tonumber(redis.call("HGET", KEYS[1], ARGV[5]))
if ARGV[5] == "ready" and count == tonumber(ARGV[2]) and redis.call("HEXISTS", KEYS[1], "start") == 0 then
  local start = time[1] * 1000000 + time[2] + ARGV[6]
  redis.call("HSET", KEYS[1], "start", string.format("%.0f", start))
end
return {"met", count, redis.call("HGET", KEYS[1], "start") or "", time[1], time[2]}
