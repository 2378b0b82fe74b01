<?php
// The files of one user below the data folder: where they are, how much they take, and what a client sent about them.
use Sabre\DAV;

class Storage
{
    public function __construct(private string $root, public readonly string $user)
    {
        foreach (['files', 'uploads', 'checksums'] as $tree) {
            @mkdir("$root/$tree/$user", 0700, true);
        }
    }

    public function path(string $uri): string
    {
        return "$this->root/$uri";
    }

    public function quota(): int
    {
        return (int)(@file_get_contents("$this->root/quota") ?: getenv('STANDIN_QUOTA'));
    }

    public function used(): int
    {
        return self::size($this->path("files/$this->user"));
    }

    // What may still be written; a file that is replaced counts as free.
    public function free(?string $replaced = null): int
    {
        $old = $replaced !== null && is_file($replaced) ? filesize($replaced) : 0;
        return max(0, $this->quota() - $this->used() + $old);
    }

    public function require_space(string $uri, int $bytes): void
    {
        $free = $this->free($this->path($uri));
        if ($bytes > $free) {
            throw new DAV\Exception\InsufficientStorage("Insufficient space in $uri, $bytes required, $free available");
        }
    }

    // Replaces a file in one step with all of a request's body; a body that is shorter than announced is refused.
    public function write(string $path, $body): void
    {
        $part = "$path.ocTransferId.part";
        $out = fopen($part, 'wb');
        $written = is_resource($body) ? stream_copy_to_stream($body, $out) : fwrite($out, (string)$body);
        fclose($out);
        $announced = $_SERVER['CONTENT_LENGTH'] ?? '';
        if ($announced !== '' && (int)$announced !== $written) {
            unlink($part);
            throw new DAV\Exception\BadRequest("Expected filesize of $announced bytes but read (from Nextcloud client) "
                . "and wrote (to Nextcloud storage) $written bytes. Could either be a network problem on the sending "
                . 'side or a problem writing to the storage on the server side.');
        }
        rename($part, $path);
    }

    // Joins the chunks in the order of their numbers.
    public function assemble(array $chunks, string $path): void
    {
        $part = "$path.ocTransferId.part";
        $out = fopen($part, 'wb');
        foreach ($chunks as $chunk) {
            $in = fopen($chunk, 'rb');
            stream_copy_to_stream($in, $out);
            fclose($in);
        }
        fclose($out);
        rename($part, $path);
    }

    // The client's time and checksum are kept as they came: Nextcloud never verifies OC-Checksum.
    public function accept_headers(string $path, DAV\Server $server): void
    {
        $request = $server->httpRequest;
        $response = $server->httpResponse;
        $this->set_checksum($path, $request->getHeader('OC-Checksum'));
        if ($time = $request->getHeader('X-OC-Mtime')) {
            touch($path, (int)$time);
            $response->setHeader('X-OC-MTime', 'accepted');
        }
        if (strtolower((string)$request->getHeader('X-Hash')) === 'sha256') {
            $response->setHeader('X-Hash-SHA256', hash_file('sha256', $path));
        }
        clearstatcache();
        $response->setHeader('OC-ETag', '"' . self::etag($path) . '"');
        $response->setHeader('OC-FileId', self::id($path));
    }

    public function set_checksum(string $path, ?string $checksum): void
    {
        $file = $this->path("checksums/$this->user/" . fileinode($path));
        $checksum ? file_put_contents($file, $checksum) : @unlink($file);
    }

    public function checksum(string $path): ?string
    {
        return @file_get_contents($this->path("checksums/$this->user/" . fileinode($path))) ?: null;
    }

    public static function size(string $path): int
    {
        if (is_file($path)) {
            return filesize($path);
        }
        return array_sum(array_map(fn($name) => self::size("$path/$name"), self::names($path)));
    }

    public static function remove(string $path): void
    {
        if (!is_dir($path)) {
            @unlink($path);
            return;
        }
        foreach (self::names($path) as $name) {
            self::remove("$path/$name");
        }
        rmdir($path);
    }

    public static function etag(string $path): string
    {
        $stat = stat($path);
        return md5("$stat[ino]:$stat[size]:$stat[mtime]:" . (is_dir($path) ? self::size($path) : ''));
    }

    public static function id(string $path): string
    {
        return sprintf('%08docrailrun', fileinode($path));
    }

    private static function names(string $path): array
    {
        return array_diff(@scandir($path) ?: [], ['.', '..']);
    }
}
