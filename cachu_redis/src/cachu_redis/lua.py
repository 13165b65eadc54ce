"""Helpers of the Lua scripts, each by its name.

A server makes the functions of a script anew whenever it runs, which takes longer than a command.
So each script has only those that it needs, and where it needs them: in the branches that the usual
call does not take.
"""

from __future__ import annotations

import re
from typing import Final

# Whatever is found under a key that has the wrong type is removed and written anew.
# `life` is a time to live in milliseconds, or empty for what never expires.
_HELPERS: Final = {
    "typed": """
local function typed(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply.err then
    if not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply) end
    redis.call('DEL', key)
    reply = redis.call(command, key, ...)
  end
  return reply
end
""",
    "series": """
local function series(region, name)
  return 'cachu:s:' .. string.sub(region, 9) .. ':' .. name
end
""",
    "names": """
local function names(region)
  return 'cachu:n:' .. string.sub(region, 9)
end
""",
    "tag_of": """
local function tag_of(name)
  return string.sub(name, 26)
end
""",
    "forget": """
local function forget(region, tag)
  local all = names(region)
  for _, name in ipairs(typed('SMEMBERS', all)) do
    if not tag or tag_of(name) == tag then
      discard(region, series(region, name), name)
      redis.call('SREM', all, name)
    end
  end
end
""",
    # Freeing a long series would hold the server up, or have a thread compete with it, so that is
    # put aside, and later writes remove some of it at a time. What never expires has to be swept
    # away, too, so its series is kept until then.
    "discard": """
local function discard(region, series, name)
  local size, left = redis.pcall('ZCARD', series), redis.call('PTTL', series)
  if left ~= -1 and (type(size) ~= 'number' or size <= 128) then
    redis.call('UNLINK', series)
    return
  end
  local all, now = 'cachu:t:' .. string.sub(region, 9), redis.call('TIME')
  local mine = all .. ':' .. now[1] .. '.' .. now[2] .. ':' .. name
  local listed = redis.pcall('SADD', all, mine)
  if type(listed) == 'table' then
    if not string.find(listed.err, 'WRONGTYPE', 1, true) then
      redis.call('UNLINK', series) -- a server without memory must be cleared all the same
      return
    end
    typed('SADD', all, mine)
  end
  redis.call('RENAME', series, mine)
  prolong(all, left == -1 and '' or left, redis.call('SCARD', all) == 1)
end
""",
    # Removes some of what was cleared: of a series whose entries never expire, these, unless they
    # were written anew.
    "sweep": """
local function sweep(region, generation)
  local all = 'cachu:t:' .. string.sub(region, 9)
  local mine = typed('SRANDMEMBER', all)
  if not mine then return end
  if redis.call('PTTL', mine) ~= -1 then
    typed('ZREMRANGEBYRANK', mine, 0, 127)
  else
    local cleared = typed('ZPOPMIN', mine, 64)
    for i = 1, #cleared, 2 do
      local key = 'cachu:e:' .. string.match(region, '{%d+}') .. ':' .. cleared[i]
      local head = redis.pcall('GETRANGE', key, 0, 42)
      local tag = tag_in(head)
      local counts = tag and string.sub(head, 4, 11) == generation
      if counts and tag ~= '' then
        counts = redis.call('MGET', region .. ':' .. tag)[1] == string.sub(head, 36, 43)
      end
      if not counts then redis.call('UNLINK', key) end
    end
  end
  if redis.call('EXISTS', mine) == 0 then redis.call('SREM', all, mine) end
end
""",
    "ensured": """
local function ensured(key, found, fresh, life, region, tag)
  if found and #found == 8 then return found end
  forget(region, tag)
  if life == '' then redis.call('SET', key, fresh)
  else redis.call('SET', key, fresh, 'PX', 2 * life) end
  return fresh
end
""",
    # Answers for how many milliseconds the lock is held at most, and after which of the calls in
    # the stream the next one will be, so that it is heard even if it comes before one listens.
    "wait_for": """
local function wait_for(lock, holder, key)
  if string.sub(holder, 17, 17) ~= 'w' then redis.call('SETRANGE', lock, 16, 'w') end
  local last = typed('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  return {math.max(1, redis.call('PTTL', lock)), last and last[1] or '0'}
end
""",
    "wake": """
local function wake(key)
  typed('XADD', key, 'MAXLEN', 1, '*', 'w', '1')
  redis.call('PEXPIRE', key, 5000)
end
""",
    "tag_in": """
local function tag_in(head)
  if type(head) ~= 'string' or string.sub(head, 1, 2) ~= '\\197\\209' then return false end
  return string.byte(head, 3) == 2 and string.sub(head, 12, 35) or ''
end
""",
    # Has a key live long enough for an entry; one that is new has no time to live yet.
    "prolong": """
local function prolong(key, life, new)
  if life == '' then
    redis.call('PERSIST', key)
  else
    local left = redis.call('PTTL', key)
    if new or left >= 0 and left < 2 * life then redis.call('PEXPIRE', key, 2 * life) end
  end
end
""",
}
_NAME: Final = re.compile(r"\b(" + "|".join(_HELPERS) + r")\(")
_PLACE: Final = re.compile(r"^ *--@(.*)\n", re.MULTILINE)


def assembled(source: str) -> str:
    """Return a script with its helpers: each `--@ name name` is replaced by those that it names.

    A helper that needs others brings them along.
    """

    def helpers(place: re.Match[str]) -> str:
        return "".join(_HELPERS[name] for name in _with_others(place[1].split()))

    return _PLACE.sub(helpers, source)


def _with_others(wanted: list[str]) -> list[str]:
    """Return the names of helpers and of those that they need, these first."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for other in _NAME.findall(_HELPERS[name]):
            if other != name and other not in found:
                add(other)
        found[name] = None

    for name in wanted:
        add(name)
    return list(found)
