"""Renders every manifest and checks it: strictly against the schemas of several versions of Kubernetes, and by our own rules.

Usage: python deploy/check. Needs kubectl or kustomize, helm, the PyPI packages kubernetes-validate and PyYAML, and the program, named
by THRONG. What is missing is an error: nothing is left out in silence. `.ci/deploy` brings all of it.
"""

import re
import subprocess
import sys
import warnings

import kubernetes_validate

import bites
import render
import rules

# From the first that has all the fields used (backoffLimitPerIndex) to the newest.
VERSIONS = ["1.29", "1.31", "1.33", "1.35", "1.37"]
# Kinds that are not Kubernetes' own; rules.py looks at what matters of them.
FOREIGN = {"Certificate", "Issuer"}


def schemas(things):
    for version in VERSIONS:
        for thing in things:
            if thing["kind"] in FOREIGN:
                continue
            try:
                kubernetes_validate.validate(thing, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"Kubernetes {version}: {rules.named(thing)}: {'/'.join(map(str, error.path))}: {error.message}"


def flags(things, known={}):
    """Every flag that a container is given must be one of its verb's."""
    for workload in rules.workloads(things):
        for container in rules.containers(workload):
            verb, *rest = container["args"]
            if verb not in known:
                page = subprocess.run([render.throng(), verb, "--help"], capture_output=True, text=True, check=True).stdout
                known[verb] = (set(re.findall(r"--[a-z][a-z-]*", page)), set(re.findall(r"env:\s+(THRONG_\w+)", page)))
            options, variables = known[verb]
            for argument in rest:
                option = argument.split("=")[0]
                if option.startswith("--") and option not in options:
                    yield f"{rules.named(workload)}: throng {verb} has no {option}"
            for variable in container.get("env", []):
                if variable["name"].startswith("THRONG_") and variable["name"] not in variables:
                    yield f"{rules.named(workload)}: throng {verb} does not read {variable['name']}"


def settings():
    """The units' settings must be variables that their verbs read."""
    for verb in ("controller", "agent"):
        page = subprocess.run([render.throng(), verb, "--help"], capture_output=True, text=True, check=True).stdout
        known = set(re.findall(r"env:\s+(THRONG_\w+)", page))
        unit = (render.DEPLOY / "systemd" / f"throng-{verb}.service").read_text()
        given = re.findall(r"^(\w+)=", (render.DEPLOY / "systemd" / f"{verb}.env").read_text(), re.M)
        given += [pair.split("=")[0] for line in re.findall(r"^Environment=(.*)", unit, re.M) for pair in line.split()]
        for name in given:
            if name not in known:
                yield f"systemd: throng {verb} does not read {name}"


PAGES = ["docs/hosts.md", "docs/kubernetes.md", "deploy/ci/github-actions.yml", "deploy/ci/gitlab-ci.yml"]


def commands(text):
    """Each `throng …` that a page shows, as words."""
    for line in re.sub(r"\\\n\s*|\n\s+(?=--)", " ", text).splitlines():
        for part in re.split(r"[|;&>`]", line):
            words = part.split()
            places = [place for place, word in enumerate(words) if re.search(r"(^|/|_)throng$", word)]
            if places:
                yield words[places[0] + 1 :]


def pages(good, known={}):
    """Commands on pages have flags that there are, and objects on pages are ones that a cluster takes."""
    for page in PAGES:
        text = (render.DEPLOY.parent / page).read_text()
        found = 0
        for words in commands(text):
            verb = [word for word in words[:2] if re.fullmatch(r"[a-z0-9]+", word)]
            # `k8s run`, `token create`; other verbs are one word.
            verb = verb[: 2 if verb[:1] in (["k8s"], ["token"]) else 1]
            flagged = [word.split("=")[0].rstrip(",.)") for word in words if word.startswith("--")]
            if not verb or not flagged:
                continue
            if tuple(verb) not in known:
                done = subprocess.run([render.throng(), *verb, "--help"], capture_output=True, text=True)
                known[tuple(verb)] = set(re.findall(r"--[a-z][a-z0-9-]*", done.stdout)) if done.returncode == 0 else None
            if known[tuple(verb)] is None:
                continue
            found += 1
            for flag in flagged:
                if flag not in known[tuple(verb)]:
                    yield f"{page}: throng {' '.join(verb)} has no {flag}"
        if not found:
            yield f"{page}: no command was found"
        blocks = [render.load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.S)]
        for thing in [thing for block in blocks for thing in block if "kind" in thing]:
            yield from (f"{page}: {fault}" for fault in schemas([thing]))
            if thing["kind"] == "Ingress":
                backend = thing["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
                offered = {(service["metadata"]["name"], port["name"]) for service in rules.of(good, "Service") for port in service["spec"]["ports"]}
                if (backend["name"], backend["port"]["name"]) not in offered:
                    yield f"{page}: the Ingress leads to {backend}, which is not there"


def plain(things):
    """A rendering without what only tools differ in: order, and the hash in a generated name."""

    def strip(value):
        if isinstance(value, dict):
            return {key: strip(inner) for key, inner in value.items()}
        if isinstance(value, list):
            # Variables, volumes and mounts are sets.
            return sorted(map(strip, value), key=lambda inner: (inner.get("name"), inner.get("mountPath")) if isinstance(inner, dict) and isinstance(inner.get("name"), str) else ("", ""))
        return re.sub(r"^(throng-scenario)-\w{10}$", r"\1", value) if isinstance(value, str) else value

    return {rules.named(thing): strip(thing) for thing in strip(list(things))}


def difference(one, other, path=""):
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other)):
            yield from difference(one.get(key), other.get(key), f"{path}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other)):
            yield from difference(left, right, f"{path}/{index}")
    elif one != other:
        yield f"{path}: {one!r} here, {other!r} there"


def main():
    warnings.simplefilter("ignore")
    faults, done = [], 0
    renderings = list(render.every())
    for rendering in renderings:
        found = [*schemas(rendering), *rules.faults(rendering), *flags(rendering)]
        faults += [f"{rendering.name}: {fault}" for fault in found]
        print(f"{rendering.name}: {len(rendering)} objects, {len(found)} faults")
        done += 1
    found = list(settings())
    faults += found
    print(f"settings of the units: {len(found)} faults")
    done += 1
    found = list(pages(next(things for things in renderings if things.name.endswith("metrics, web"))))
    faults += found
    print(f"commands and objects on pages: {len(found)} faults")
    done += 1
    by_name = {rendering.name: rendering for rendering in renderings}
    more = {"fleet": "image, target-cidr, cert-manager", "once": "image, target-cidr, once, cert-manager"}
    pairs = [(mode, f"kustomize {mode}", f"helm {mode} as throng") for mode in more]
    pairs += [(f"{mode} with cert-manager", f"kustomize {mode} with {components}", f"helm {mode} as throng with cert-manager") for mode, components in more.items()]
    pairs.append(("fleet to be seen", "kustomize fleet with image, target-cidr, metrics, web", "helm fleet as throng with metrics, web"))
    for mode, one, other in pairs:
        found = list(difference(plain(by_name[one]), plain(by_name[other])))
        faults += [f"{mode}: kustomize and helm differ at {fault}" for fault in found]
        print(f"{mode}: kustomize and helm: {len(found)} differences")
        done += 1
    # Its deadline comes from the plan, its scenario is a bundle, it prints its report for whoever reads the log, and makes the Secrets.
    own = {"activeDeadlineSeconds", "binaryData", "data", "args", "terminationGracePeriodSeconds"}
    ran = difference(plain(by_name["throng k8s run as throng"]), plain(by_name["kustomize once"]))
    found = [fault for fault in ran if not own & set(fault.split(": ")[0].split("/")) and not fault.startswith("/Secret ")]
    faults += [f"once: throng k8s run and kustomize differ at {fault}" for fault in found]
    print(f"once: throng k8s run and kustomize: {len(found)} differences")
    done += 1
    good = {mode: by_name[f"kustomize {mode}"] for mode in ("fleet", "once")}
    good["seen"] = by_name["kustomize fleet with image, target-cidr, metrics, web"]
    good["certified"] = next(things for things in renderings if rules.of(things, "Certificate"))
    found = list(bites.faults(good))
    faults += found
    print(f"{len(bites.BITES)} changes that a rule must find, {len(found)} not found")
    done += len(bites.BITES)
    for name, word, attempt in render.refusals():
        try:
            attempt()
            faults.append(f"{name}: rendered, and must not")
        except render.Refused as refused:
            if word not in str(refused):
                faults.append(f"{name}: refused without saying {word}: {refused}")
        done += 1
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{done} passed, 0 failed" if not faults else f"{len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
