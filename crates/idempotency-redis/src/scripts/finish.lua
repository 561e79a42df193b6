-- KEYS: the call, then the pieces behind the first. ARGV: our token, milliseconds, and as many for pieces; size and
-- first piece.
-- Answers 1 if the answer is kept, now or since it was first told so.
local key = KEYS[1]
local token = redis.call('HGET', key, 'token')
if token and token ~= ARGV[1] then
    return 0
end
for piece = 2, #KEYS do
    if redis.call('PEXPIRE', KEYS[piece], ARGV[3]) == 0 then
        redis.call('DEL', key)
        return 0
    end
end
redis.call('HSET', key, 'token', ARGV[1], 'size', ARGV[4], 'front', ARGV[5])
redis.call('PEXPIRE', key, ARGV[2])
return 1
