<?php
// Run the `verify` of a file over messages: `driver.php FILE`, JSON in, verdicts out.
declare(strict_types=1);

require $argv[1];

$verdicts = array_map(function (array $message): ?string {
    try {
        $body = base64_decode($message['body']);
        return Nameplate\verify($body, $message['headers'], $message['key'])['type'];
    } catch (UnexpectedValueException | InvalidArgumentException) {
        return null;
    }
}, json_decode(stream_get_contents(STDIN), true));
echo json_encode($verdicts);
