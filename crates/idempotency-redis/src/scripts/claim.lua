-- KEYS: the call. ARGV: our token, milliseconds, the longest piece.
-- Answers nothing if the call is ours; its token if another makes it; token, size and first piece if it has ended,
-- without the piece if that is none of ours.
local key = KEYS[1]
local token = redis.call('HGET', key, 'token')
if not token or token == ARGV[1] then
    -- Fields of whoever. Not unless there are any: after a first write a server does not ask whether it has memory left.
    if not token and redis.call('EXISTS', key) == 1 then
        redis.call('DEL', key)
    end
    redis.call('HSET', key, 'token', ARGV[1])
    redis.call('PEXPIRE', key, ARGV[2])
    return {}
end
local shown = string.sub(token, 1, 64)
local size = redis.call('HGET', key, 'size')
if not size then
    -- No lease is for ever, whoever wrote it.
    if redis.call('PTTL', key) < 0 then
        redis.call('PEXPIRE', key, ARGV[2])
    end
    return {shown}
end
size = string.sub(size, 1, 20)
if redis.call('HSTRLEN', key, 'front') > tonumber(ARGV[3]) then
    return {shown, size}
end
return {shown, size, redis.call('HGET', key, 'front')}
