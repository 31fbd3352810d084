"""A server that answers the calls of the dispatcher at once, but RunTask after a given time: `stub.py MILLISECONDS`.

It stands for EC2, SSM, ECS and Supabase, prints its port, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

_SUBNETS = "".join(
    f"<item><subnetId>subnet-{zone}</subnetId><vpcId>vpc-1</vpcId><tagSet><item><key>Name</key>"
    f"<value>{zone}</value></item></tagSet></item>"
    for zone in ("a", "b")
)
_EC2 = {
    "DescribeSubnets": f"<DescribeSubnetsResponse><subnetSet>{_SUBNETS}</subnetSet></DescribeSubnetsResponse>",
    "DescribeSecurityGroups": (
        "<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>sg-1</groupId></item></securityGroupInfo>"
        "</DescribeSecurityGroupsResponse>"
    ),
}


async def _answer(request: web.Request, run_task_seconds: float) -> web.Response:
    target = request.headers.get("X-Amz-Target", "")
    if target.endswith(".RunTask"):
        await asyncio.sleep(run_task_seconds)
        asked = await request.json()
        arn = f"arn:aws:ecs:us-east-1:000000000000:task/bench/{asked['clientToken']}"
        return web.json_response({"tasks": [{"taskArn": arn}], "failures": []})
    if target.endswith(".GetParameters"):
        # The URL of Supabase is this server's as well.
        names = (await request.json())["Names"]
        return web.json_response({"Parameters": [{"Name": name, "Value": f"http://{request.host}"} for name in names]})
    if request.path.startswith("/rest/v1/rpc/"):
        return web.json_response(True)
    return web.Response(text=_EC2[str((await request.post())["Action"])], content_type="text/xml")


async def _serve(run_task_seconds: float) -> None:
    async def answer(request: web.Request) -> web.Response:
        return await _answer(request, run_task_seconds)

    stub = web.Application()
    stub.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(stub, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]) / 1000))
