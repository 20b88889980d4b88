-- Ingests one batch. ARGV[1] is the horizon in seconds. After it, each event has four arguments: id, user, type, second.
-- Returns the number of new events.
local horizon, accepted, second = ARGV[1], 0, nil
for i = 2, #ARGV, 4 do
  if redis.call('SET', 'id:' .. ARGV[i], '', 'NX', 'EX', horizon) then
    accepted = accepted + 1
    local events, users = 'events:' .. ARGV[i + 3], 'users:' .. ARGV[i + 3]
    redis.call('HINCRBY', events, ARGV[i + 2], 1)
    redis.call('SADD', users, ARGV[i + 1])
    if second ~= ARGV[i + 3] then
      second = ARGV[i + 3]
      redis.call('EXPIRE', events, horizon)
      redis.call('EXPIRE', users, horizon)
    end
  end
end
return accepted
