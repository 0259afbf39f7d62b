-- A shard of a load says that it is there, and hears whether the load goes on.
-- KEYS[1]: the claim of the database
-- ARGV[1]: which load it is, ARGV[2]: which shard, from 0; ARGV[3]: going, stopped, or closing: the database is given back, whatever load it is
-- ARGV[4]: seconds after which one that says nothing is gone
-- Answers what became of the load, which shard did it, and how many others may still write.
local time = tonumber(redis.call("TIME")[1])
local of = tonumber(redis.call("HGET", KEYS[1], "shards") or "")
local closing = ARGV[3] == "closing"
if not of or (not closing and redis.call("HGET", KEYS[1], "load") ~= ARGV[1]) then
  return {"closed", 0, 0}
end
if closing then
  redis.call("HSET", KEYS[1], "closing", 1)
else
  redis.call("HSET", KEYS[1], "seen:" .. ARGV[2], time)
end
if ARGV[3] == "stopped" then
  redis.call("HSET", KEYS[1], "stopped:" .. ARGV[2], 1)
end
local word, which, writing = "going", 0, 0
for number = 0, of - 1 do
  if number ~= tonumber(ARGV[2]) then
    local said = redis.call("HMGET", KEYS[1], "seen:" .. number, "over:" .. number, "stopped:" .. number)
    local silent = not said[1] or time - tonumber(said[1]) > tonumber(ARGV[4])
    if not said[2] and not silent then
      writing = writing + 1
    end
    if said[3] then
      word, which = "stopped", number
    elseif said[1] and silent and not said[2] and word == "going" then
      word, which = "silent", number
    end
  end
end
if word == "going" and redis.call("HEXISTS", KEYS[1], "closing") == 1 then
  word = "closed"
end
return {word, which, writing}
