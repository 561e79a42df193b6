-- KEYS: the call. ARGV: a token.
-- The call is nobody's, if it was of that token.
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then
    redis.call('UNLINK', KEYS[1])
end
return 1
