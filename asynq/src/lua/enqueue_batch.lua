-- Puts new tasks of one queue into pending, one after the other.
-- KEYS: 1 pending list
-- ARGV: 1 prefix of task hashes, 2 now in Unix nanoseconds, then of each task 3 id, 4 message
-- Returns of each task 1, or 0 when the id exists already (in any state).
local answers, new = {}, {}
for i = 3, #ARGV, 2 do
  local task = ARGV[1] .. ARGV[i]
  if redis.call('EXISTS', task) == 1 then
    answers[#answers + 1] = 0
  else
    redis.call('HSET', task, 'msg', ARGV[i + 1], 'state', 'pending', 'pending_since', ARGV[2])
    new[#new + 1] = ARGV[i]
    answers[#answers + 1] = 1
  end
end
if #new > 0 then
  redis.call('LPUSH', KEYS[1], unpack(new))
end
return answers
