<?php
// Quota for every write, and chunked upload v2: MKCOL uploads/USER/ID with a Destination, PUT ID/00001…, and MOVE
// ID/.file to the destination, which joins the chunks.
use Sabre\DAV;

class Uploads extends DAV\ServerPlugin
{
    private DAV\Server $server;

    public function __construct(private Storage $storage)
    {
    }

    public function initialize(DAV\Server $server)
    {
        $this->server = $server;
        $server->subscribeEvent('beforeMethod', [$this, 'before'], 5);
        foreach (['beforeWriteContent', 'beforeCreateFile', 'beforeBind'] as $event) {
            $server->subscribeEvent($event, [$this, 'check_quota']);
        }
    }

    public function check_quota($uri)
    {
        $request = $this->server->httpRequest;
        $bytes = $request->getHeader('OC-Total-Length')
            ?: $request->getHeader('X-Expected-Entity-Length')
            ?: $request->getHeader('Content-Length');
        if ($request->getMethod() != 'MKCOL') {
            $this->storage->require_space($uri, (int)$bytes);
        }
        return true;
    }

    // Returns false where the request has been answered here.
    public function before($method, $uri)
    {
        if (!preg_match('#^(files|uploads)(?:/([^/]+)(/.*)?)?$#', $uri, $part)) {
            return true;
        }
        if (isset($part[2]) && $part[2] !== $this->storage->user) {
            throw new DAV\Exception\NotFound("Principal with name $part[2] not found");
        }
        $path = $this->storage->path($uri);
        if ($method == 'PATCH' && $this->server->httpRequest->getHeader('X-Recalculate-Hash')) {
            return $this->recalculate($path);
        }
        if ($part[1] !== 'uploads' || !isset($part[3])) {
            return true;
        }
        return match (true) {
            $method == 'MKCOL' => $this->begin($path),
            $method == 'PUT' => $this->check_chunk($path),
            $method == 'MOVE' && basename($path) == '.file' => $this->finish(dirname($path)),
            default => true,
        };
    }

    private function begin(string $folder): bool
    {
        if (file_exists($folder)) {
            throw new DAV\Exception\MethodNotAllowed('The resource you tried to create already exists');
        }
        mkdir($folder, 0700, true);
        if ($destination = $this->server->httpRequest->getHeader('Destination')) {
            file_put_contents("$folder/.destination", $destination);
        }
        return $this->answer(201);
    }

    // Version 2 is on only where both the folder and the chunk name a destination; without it names are free.
    private function check_chunk(string $path): bool
    {
        $folder = dirname($path);
        if (!is_dir($folder)) {
            throw new DAV\Exception\NotFound('File with name ' . basename($folder) . ' could not be located');
        }
        $number = basename($path);
        $version2 = is_file("$folder/.destination") && $this->server->httpRequest->getHeader('Destination');
        if ($version2 && (!preg_match('/^\d{1,5}$/', $number) || $number < 1 || $number > 10000)) {
            throw new DAV\Exception\BadRequest('Invalid chunk name, must be numeric between 1 and 10000');
        }
        return true;
    }

    private function finish(string $folder): bool
    {
        $request = $this->server->httpRequest;
        if (!is_dir($folder)) {
            throw new DAV\Exception\NotFound('File with name ' . basename($folder) . ' could not be located');
        }
        $destination = $this->server->calculateUri($request->getHeader('Destination'));
        if (!preg_match('#^files/' . preg_quote($this->storage->user, '#') . '/.+#', $destination)) {
            throw new DAV\Exception\BadRequest('Invalid destination');
        }
        $path = $this->storage->path($destination);
        if (!is_dir(dirname($path))) {
            throw new DAV\Exception\Conflict('Destination node parent does not exist');
        }
        $chunks = array_filter(scandir($folder), fn($name) => $name[0] != '.');
        natsort($chunks);
        $chunks = array_map(fn($name) => "$folder/$name", $chunks);
        $sum = array_sum(array_map('filesize', $chunks));
        $announced = $request->getHeader('OC-Total-Length');
        if ($announced !== null && (int)$announced != $sum) {
            throw new DAV\Exception\BadRequest("Chunks on server do not sum up to $announced but to $sum bytes");
        }
        $this->storage->require_space($destination, $sum);
        $replaced = file_exists($path);
        $this->storage->assemble($chunks, $path);
        Storage::remove($folder);
        $this->storage->accept_headers($path, $this->server);
        return $this->answer($replaced ? 204 : 201);
    }

    private function recalculate(string $path): bool
    {
        if (!is_file($path)) {
            throw new DAV\Exception\NotFound('File not found');
        }
        $kind = $this->server->httpRequest->getHeader('X-Recalculate-Hash');
        $checksum = strtoupper($kind) . ':' . hash_file(strtolower($kind), $path);
        $this->storage->set_checksum($path, $checksum);
        $this->server->httpResponse->setHeader('OC-Checksum', $checksum);
        return $this->answer(204);
    }

    private function answer(int $status): bool
    {
        $this->server->httpResponse->setHeader('Content-Length', '0');
        $this->server->httpResponse->sendStatus($status);
        return false;
    }
}
