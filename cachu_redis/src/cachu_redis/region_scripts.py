"""The Lua scripts of whole regions: clearing, counting and the registry."""

from __future__ import annotations

from typing import Final

from cachu_redis.script import Script

# The names of all series of the region in KEYS[1].
_LISTED: Final = """
local all = 'cachu:n:' .. string.sub(KEYS[1], 9)
local listed = redis.pcall('SMEMBERS', all)
if listed.err then
  --@ typed
  listed = typed('SMEMBERS', all)
end
"""

# Keys: region, and the tag's generation if only that is cleared.
CLEAR: Final = Script(f"""
local now, tag = ARGV[1], ARGV[2]
local removed = 0
--@ discard
{_LISTED}
local found = redis.call('MGET', KEYS[1], KEYS[2] or KEYS[1])
local counts = found[1] and #found[1] == 8 and found[2] and #found[2] == 8
for _, name in ipairs(listed) do
  local own = string.sub(name, 26)
  if not KEYS[2] or own == tag then
    local series = 'cachu:s:' .. string.sub(KEYS[1], 9) .. ':' .. name
    if counts then
      local last = (KEYS[2] or own == '') and found[2]
        or redis.call('MGET', KEYS[1] .. ':' .. own)[1]
      local fresh = last and #last == 8 and redis.pcall('ZCOUNT', series, '(' .. now, '+inf')
      if type(fresh) == 'number' then removed = removed + fresh end
    end
    discard(KEYS[1], series, name)
    if KEYS[2] then redis.call('SREM', all, name) end
  end
end
if KEYS[2] then redis.call('UNLINK', KEYS[2])
else redis.call('UNLINK', KEYS[1], all) end
return removed
""")

# Key: region. Counts what is fresh, of one function and with one tag if they are not empty.
COUNT: Final = Script(f"""
local now, functions, tag = ARGV[1], ARGV[2], ARGV[3]
local region = redis.call('MGET', KEYS[1])[1]
if not region or #region ~= 8 then return 0 end
local total = 0
{_LISTED}
for _, name in ipairs(listed) do
  local own = string.sub(name, 26)
  if (functions == '' or string.sub(name, 1, 24) == functions) and (tag == '' or own == tag) then
    local last = own == '' and region or redis.call('MGET', KEYS[1] .. ':' .. own)[1]
    local series = 'cachu:s:' .. string.sub(KEYS[1], 9) .. ':' .. name
    local fresh = last and #last == 8 and redis.pcall('ZCOUNT', series, '(' .. now, '+inf')
    if type(fresh) == 'number' then total = total + fresh end
  end
end
return total
""")

# Key: registry. Lists a region until a time on the server's clock, and drops those that hold
# nothing any more.
REGISTER: Final = Script("""
--@ typed
typed('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. redis.call('TIME')[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last == 'inf' then redis.call('PERSIST', KEYS[1])
elseif last then redis.call('PEXPIREAT', KEYS[1], last .. '000') end
return 1
""")

# Key: registry. Answers all regions that it lists.
REGIONS: Final = Script("""
--@ typed
return typed('ZRANGE', KEYS[1], 0, -1)
""")
