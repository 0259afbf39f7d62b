-- Finishes tasks of one queue that succeeded and are not kept, one after the other.
-- KEYS: 1 active list, 2 lease zset, 3 processed of the day, 4 processed in all
-- ARGV: 1 prefix of task hashes, 2 expiry of the day's counter in Unix seconds, 3 largest counter value, then of each task
--       4 id, 5 about how many tasks were taken after it, 6 uniqueness lock, or empty
-- Returns of each task 1, or 0 when it is not in progress; what was removed until then stays removed.
-- Ids are unique in active, so one is looked for, from the end that is nearer: the tasks taken last are at its head.
local active = redis.call('LLEN', KEYS[1])
local answers, done = {}, 0
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  local from = ARGV[i + 1] * 2 > active and -1 or 1
  if redis.call('LREM', KEYS[1], from, id) == 1 and redis.call('ZREM', KEYS[2], id) == 1
    and redis.call('DEL', ARGV[1] .. id) == 1 then
    answers[#answers + 1] = 1
    done = done + 1
  else
    answers[#answers + 1] = 0
  end
end
if done == 0 then
  return answers
end
if redis.call('INCRBY', KEYS[3], done) == done then
  redis.call('EXPIREAT', KEYS[3], ARGV[2])
end
-- Short of the largest value there is no difference between one step and many; at it the counter starts anew.
if type(redis.pcall('INCRBY', KEYS[4], done)) == 'table' then
  for _ = 1, done do
    if redis.call('GET', KEYS[4]) == ARGV[3] then
      redis.call('SET', KEYS[4], 1)
    else
      redis.call('INCR', KEYS[4])
    end
  end
end
for i = 1, #answers do
  local lock = ARGV[3 * i + 3]
  if answers[i] == 1 and lock ~= '' and redis.call('GET', lock) == ARGV[3 * i + 1] then
    redis.call('DEL', lock)
  end
end
return answers
