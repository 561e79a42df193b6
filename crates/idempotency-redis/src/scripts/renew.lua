-- KEYS: the call. ARGV: our token, milliseconds.
-- Answers 1 if the call is ours. A lease that has gone and that nobody has taken since is taken again.
local key = KEYS[1]
local token = redis.call('HGET', key, 'token')
if token and (token ~= ARGV[1] or redis.call('HEXISTS', key, 'size') == 1) then
    return 0
end
redis.call('HSET', key, 'token', ARGV[1])
redis.call('PEXPIRE', key, ARGV[2])
return 1
