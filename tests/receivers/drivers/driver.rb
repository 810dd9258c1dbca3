# Run the `verify` of a file over messages: `driver.rb FILE`, JSON in, verdicts out.
require "json"
require ARGV[0]

verdicts = JSON.parse($stdin.read).map do |message|
  body = message["body"].unpack1("m0")
  Nameplate.verify(body, message["headers"], message["key"])["type"]
rescue Nameplate::NotVerified, ArgumentError
  nil
end
puts JSON.generate(verdicts)
