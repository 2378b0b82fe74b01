<?php
// Faults on request. The fault file holds lines `METHOD REGEX KIND COUNT`; the first that fits a request is used, COUNT
// times. KIND is a status to answer instead of doing anything, `cut` (the answer breaks off, nothing is done) or `late`
// (it is done, but the answer is 504).
const FAULT_MESSAGES = [
    401 => ['NotAuthenticated', 'Cannot authenticate over ajax calls'],
    423 => ['Locked', 'The file is locked'],
    429 => ['TooManyRequests', 'Too many requests'],
    503 => ['ServiceUnavailable', 'Service unavailable'],
    504 => ['GatewayTimeout', 'Gateway timeout'],
    507 => ['InsufficientStorage', 'Insufficient space'],
];

function inject_fault(string $path): void
{
    $kind = next_fault(getenv('STANDIN_FAULTS'), $_SERVER['REQUEST_METHOD'], $path);
    if ($kind === null) {
        return;
    }
    if ($kind === 'late') {
        register_shutdown_function(function () {
            ob_clean();
            header('HTTP/1.1 504 Gateway Timeout'); // in place of the status line that sabre/dav wrote
        });
        return;
    }
    if ($kind === 'cut') {
        header('Content-Length: 1000');
        echo 'cut';
        exit;
    }
    if ($kind == 429 || $kind == 503) {
        header('Retry-After: 2');
    }
    [$exception, $message] = FAULT_MESSAGES[$kind] ?? ['Exception', 'Injected fault'];
    answer_error((int)$kind, $exception, $message);
}

// Finds the first line that fits, counts it down and returns its kind.
function next_fault(string $file, string $method, string $path): ?string
{
    $faults = @fopen($file, 'r+');
    if (!$faults) {
        return null;
    }
    flock($faults, LOCK_EX);
    $found = null;
    $left = [];
    foreach (explode("\n", trim(stream_get_contents($faults))) as $line) {
        [$on, $regex, $kind, $count] = explode(' ', $line) + ['', '', '', 1];
        if ($found === null && $on === $method && preg_match("#$regex#", $path)) {
            $found = $kind;
            $line = --$count > 0 ? "$on $regex $kind $count" : '';
        }
        $left[] = $line;
    }
    ftruncate($faults, 0);
    rewind($faults);
    fwrite($faults, implode("\n", array_filter($left)));
    fclose($faults);
    return $found;
}
