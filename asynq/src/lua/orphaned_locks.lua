-- Uniqueness locks of tasks that are not there.
-- KEYS: the locks
-- ARGV: 1 prefix of task hashes, 2 whether they are deleted (1 or 0)
-- Returns {lock, id of the task} per lock.
local found = {}
for _, lock in ipairs(KEYS) do
  local id = redis.pcall('GET', lock)
  if type(id) == 'string' and redis.call('EXISTS', ARGV[1] .. id) == 0 then
    found[#found + 1] = {lock, id}
    if ARGV[2] == '1' then
      redis.call('DEL', lock)
    end
  end
end
return found
