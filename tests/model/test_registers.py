"""The register table: consistent, and its words pack and unpack."""

import pytest

from ohmgate.model.registers import ADDRESS_BITS, BY_NAME, LOAD_REGISTERS, REGISTERS, describe, markdown


def test_addresses():
    addresses = [r.address for r in REGISTERS]
    assert addresses == sorted(set(addresses))
    assert all(a % 4 == 0 and a < 2**ADDRESS_BITS for a in addresses)
    assert [r.name for r in REGISTERS[:2]] == ["ID", "VERSION"]
    assert {r.access for r in REGISTERS} == {"ro", "rw", "wo"}
    assert all(BY_NAME[name].access != "ro" for name in LOAD_REGISTERS)


@pytest.mark.parametrize("register", [r for r in REGISTERS if r.fields], ids=lambda r: r.name)
def test_fields_do_not_overlap_and_round_trip(register):
    masks = [f.mask for f in register.fields]
    assert sum(masks) == (1 << 32) - 1 & sum(masks)
    for a in range(len(masks)):
        for b in range(a):
            assert masks[a] & masks[b] == 0
    values = {f.name: (1 << f.width) - 1 - k for k, f in enumerate(register.fields) if f.width > 3}
    assert {k: v for k, v in register.unpack(register.pack(**values)).items() if k in values} == values


def test_pack_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="^register GAIN has no field SHIFT that holds 64$"):
        BY_NAME["GAIN"].pack(SHIFT=64)
    with pytest.raises(ValueError, match="^register GAIN has no field COLOUR that holds 1$"):
        BY_NAME["GAIN"].pack(COLOUR=1)


def test_documents_name_every_register_and_field():
    text, data = markdown(), describe()
    for register, entry in zip(REGISTERS, data["registers"]):
        assert f"| 0x{register.address:02X} | {register.name} | {register.access} | {register.doc} |" in text
        assert (entry["name"], entry["address"], len(entry["fields"])) == (
            register.name, register.address, len(register.fields))  # fmt: skip
        for field in register.fields:
            assert f"...{field.name} [" in text
