-- Takes a server out of the listings.
-- KEYS: 1 server key, 2 workers key
redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2])
return redis.status_reply('OK')
