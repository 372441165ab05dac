-- What wrk sends: a body of MODE for a user drawn at random from USERS, whose id is PREFIX and a number, with the key in KEY.
local mode, users, key, path = os.getenv("MODE"), tonumber(os.getenv("USERS")), os.getenv("KEY"), os.getenv("TARGET")
local head = { ["Content-Type"] = "application/json", ["Authorization"] = key }
local run, number, prefix = os.getenv("RUN"), 0, os.getenv("PREFIX")

local check = '{"query":"query check($user: String!, $feature: String!) { canUseFeature(userId: $user, featureId: $feature)'
  .. ' { access reason consumption { used budget overageEnabled } } }","variables":{"user":"%s","feature":"calls"}}'
local record = '{"query":"mutation record($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded reason } }",'
  .. '"variables":{"input":{"userId":"%s","featureId":"calls","delta":1,"idempotencyKey":"%s-%d"}}}'
local plain = '{"user_id":"%s","feature_id":"calls","delta":1,"key":"%s-%d"}'

function init()
  math.randomseed(os.time())
end

local plain_check = '{"userId":"%s","featureId":"calls"}'
local plain_record = '{"userId":"%s","featureId":"calls","delta":1}'

function request()
  number = number + 1
  local user, body = prefix .. math.random(0, users - 1), nil
  if mode == "constant" then
    return wrk.format("GET", path, head)
  elseif mode == "v1 check" then
    body = plain_check:format(user)
  elseif mode == "v1 record" then
    head["Idempotency-Key"] = run .. "-" .. number
    body = plain_record:format(user)
  elseif mode == "empty" then
    body = '{"query":"{ __typename }"}'
  elseif mode == "check" then
    body = check:format(user)
  elseif mode == "record" then
    body = record:format(user, run, number)
  else
    body = plain:format(user, run, number)
  end
  return wrk.format("POST", path, head, body)
end

function response(status, _, body)
  if status ~= 200 or (mode:find("record") and not body:find('"recorded":%s*true')) then
    wrk.thread:stop()
    error("unexpected answer " .. status .. ": " .. body:sub(1, 300))
  end
end
